// Microsoft's JavaScript Speech SDK, run against a service on loopback:
// node speech_client.mjs ENDPOINT SECONDS [meeting] [KEY] [FILE]
// FILE holds 16-bit PCM, mono or of 8 channels in a meeting; without one, silence is sent.
import { readFileSync } from "node:fs";
import sdk from "microsoft-cognitiveservices-speech-sdk";

const [endpoint, seconds, era, key, file] = process.argv.slice(2);
const config = sdk.SpeechConfig.fromEndpoint(new URL(endpoint), key || "any");
const stream = sdk.AudioInputStream.createPushStream(
  sdk.AudioStreamFormat.getWaveFormatPCM(16000, 16, era === "meeting" ? 8 : 1),
);
const audio = sdk.AudioConfig.fromStreamInput(stream);
const log = [];
let transcriber;
if (era === "meeting") {
  config.setProperty("ConversationTranscriptionInRoomAndOnline", "true");
  config.setProperty("DifferentiateGuestSpeakers", "true");
  config.setProperty(sdk.PropertyId.SpeechServiceConnection_Region, "any");
  const meeting = sdk.Meeting.createMeetingAsync(config, "a meeting");
  transcriber = new sdk.MeetingTranscriber(audio);
  await new Promise((done, fail) => transcriber.joinMeetingAsync(meeting, done, fail));
} else {
  transcriber = new sdk.ConversationTranscriber(config, audio);
}
const note = (name, event) => {
  const { text, offset, duration, speakerId } = event.result ?? {};
  log.push({ name, text, offset, duration, speaker: speakerId, reason: event.reason,
    details: event.errorDetails });
};
const stopped = new Promise((done) => {
  transcriber.sessionStopped = (_, event) => { note("session_stopped", event); done(); };
  transcriber.canceled = (_, event) => {
    note("canceled", event);
    if (event.reason === sdk.CancellationReason.Error) setTimeout(done, 500);
  };
});
transcriber.sessionStarted = (_, event) => note("session_started", event);
transcriber.transcribing = (_, event) => note("transcribing", event);
transcriber.transcribed = (_, event) => note("transcribed", event);
await new Promise((done, fail) => transcriber.startTranscribingAsync(done, fail));
const tenth = 3200 * (era === "meeting" ? 8 : 1);
const pcm = file ? readFileSync(file) : Buffer.alloc(tenth * 10 * Number(seconds));
for (let start = 0; start < pcm.length; start += tenth) {
  // A copy: the package keeps the whole buffer of a view.
  stream.write(new Uint8Array(pcm.subarray(start, start + tenth)).buffer);
}
stream.close();
await Promise.race([stopped, new Promise((done) => setTimeout(done, 30000))]);
console.log(JSON.stringify(log));
process.exit(0);

// Microsoft's JavaScript Speech SDK, run against the loopback service:
// node speech_client.mjs ENDPOINT SECONDS [meeting]
import sdk from "microsoft-cognitiveservices-speech-sdk";

const [endpoint, seconds, era] = process.argv.slice(2);
const config = sdk.SpeechConfig.fromEndpoint(new URL(endpoint), "any");
const stream = sdk.AudioInputStream.createPushStream(
  sdk.AudioStreamFormat.getWaveFormatPCM(16000, 16, era === "meeting" ? 8 : 1),
);
const audio = sdk.AudioConfig.fromStreamInput(stream);
const log = [];
let transcriber;
if (era === "meeting") {
  config.setProperty("ConversationTranscriptionInRoomAndOnline", "true");
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
const channels = era === "meeting" ? 8 : 1;
for (let tenth = 0; tenth < Number(seconds) * 10; tenth++) {
  stream.write(new ArrayBuffer(3200 * channels));
}
stream.close();
await Promise.race([stopped, new Promise((done) => setTimeout(done, 30000))]);
console.log(JSON.stringify(log));
process.exit(0);

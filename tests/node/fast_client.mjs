// Microsoft's JavaScript client of fast transcription, run against the double:
// node fast_client.mjs ENDPOINT KEY AUDIO
import { readFileSync } from "node:fs";
import { TranscriptionClient } from "@azure/ai-speech-transcription";
import { AzureKeyCredential } from "@azure/core-auth";

const [endpoint, key, audio] = process.argv.slice(2);
const client = new TranscriptionClient(endpoint, new AzureKeyCredential(key), {
  allowInsecureConnection: true,
});
try {
  const result = await client.transcribe(readFileSync(audio), {
    locales: ["en-US"],
    diarizationOptions: { enabled: true, maxSpeakers: 2 },
  });
  console.log(JSON.stringify(result));
} catch (error) {
  console.log(JSON.stringify({ refused: error.statusCode }));
}

// node client.js ADDRESS HOST MESSAGE…: one call for each message, then all of them over one stream.
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';

const [address, host, ...messages] = process.argv.slice(2);
const { ping } = loadPackageDefinition(loadSync(fileURLToPath(new URL('ping.proto', import.meta.url))));
const client = new ping.PingService(address, credentials.createInsecure(), {
  'grpc.default_authority': host,
});

for (const msg of messages) {
  const answer = await new Promise((resolve, reject) => {
    client.Ping({ msg }, (error, value) => (error ? reject(error) : resolve(value)));
  });
  console.log('ping', answer.msg);
}
const stream = client.PingStream();
for (const msg of messages) stream.write({ msg });
stream.end();
for await (const { msg } of stream) console.log('stream', msg);
client.close();

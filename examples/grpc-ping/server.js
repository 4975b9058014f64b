import { loadPackageDefinition, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';

const { ping } = loadPackageDefinition(loadSync(fileURLToPath(new URL('ping.proto', import.meta.url))));
const instance = `${process.env.K_REVISION}-${process.pid}`;
const pong = (msg) => ({ msg, instance });

const server = new Server();
server.addService(ping.PingService.service, {
  Ping(call, answer) {
    call.on('cancelled', () => console.log('cancelled'));
    const { msg } = call.request;
    if (msg === 'fail') answer({ code: status.FAILED_PRECONDITION, details: 'as you wished' });
    else if (msg !== 'hang') answer(null, pong(msg));
  },
  Collect(call, answer) {
    const heard = [];
    call.on('data', ({ msg }) => heard.push(msg));
    call.on('end', () => answer(null, pong(heard.join(' '))));
  },
  Count(call) {
    for (const letter of call.request.msg) call.write(pong(letter));
    call.end();
  },
  PingStream(call) {
    call.on('data', ({ msg }) => call.write(pong(msg)));
    call.on('end', () => call.end());
    call.on('cancelled', () => console.log('cancelled'));
  },
});

server.bindAsync(`127.0.0.1:${process.env.PORT}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
process.on('SIGTERM', () => server.tryShutdown(() => process.exit(0)));

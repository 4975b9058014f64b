/**
 * The parts of kafkajs 2.2.4 below its producer and consumer, which have no types of their own: the protocol of one
 * broker. protocol.ts says what they are; package.json pins the version.
 */
declare module 'kafkajs/src/broker/index.js' {
  const part: unknown;
  export = part;
}
declare module 'kafkajs/src/network/connectionPool.js' {
  const part: unknown;
  export = part;
}
declare module 'kafkajs/src/consumer/assignerProtocol.js' {
  const part: unknown;
  export = part;
}
declare module 'kafkajs/src/consumer/filterAbortedMessages.js' {
  const part: unknown;
  export = part;
}
declare module 'kafkajs/src/protocol/message/compression/index.js' {
  const part: unknown;
  export = part;
}

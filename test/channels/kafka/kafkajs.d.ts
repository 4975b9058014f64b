declare module 'kafkajs/src/producer/partitioners/default/murmur2.js' {
  const murmur2: unknown;
  export = murmur2;
}

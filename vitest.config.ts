import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['./test/servers/setup.ts'],
    reporters: ['default', './test/kit/closing-line.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Two cores: more workers would only make deadlines lie.
    maxWorkers: 2,
    // Where nobody watches, beside eight servers on those cores, a deadline may lie once; the report says which one did.
    retry: process.env['CI'] === 'true' ? 1 : 0,
  },
});

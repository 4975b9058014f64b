import type { Reporter, TestModule } from 'vitest/node';

/**
 * Closes a run with `N passed, N failed, N skipped`, alone on a line, for scripts that count.
 * A file that could not be loaded counts as one failure, and under CI=true so does every skipped test
 * whose title does not name a kernel feature: a skipped server must not look like a green run.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        count[state] += 1;
        if (state === 'skipped' && process.env['CI'] === 'true' && !test.fullName.includes('[kernel]')) {
          count.failed += 1;
          count.skipped -= 1;
          process.exitCode = 1;
          process.stderr.write(`skipped under CI=true, which is a failure: ${test.fullName}\n`);
        }
      }
    }
    const { passed, failed, skipped, pending } = count;
    if (passed === 0) process.exitCode = 1; // a run that tested nothing is no success
    process.stdout.write(`${passed} passed, ${failed} failed, ${skipped + pending} skipped\n`);
  }
}

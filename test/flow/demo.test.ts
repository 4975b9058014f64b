import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../kit/folders.ts';
import { FREE_PORTS, millrace } from '../kit/millrace.ts';

describe('millrace demo', { timeout: 30_000 }, () => {
  it('shows the way of a signed push from the webhook into a function at zero and on as a reply, and tidies up', async () => {
    const folder = temporaryFolder('demo');
    const { code, stdout, stderr } = await millrace(['demo', '--once', ...FREE_PORTS], { TMPDIR: folder });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const steps = [
      /^Millrace is up, ready in \d+ ms$/m,
      /^ {2}export KUBECONFIG=.*\/kubeconfig$/m,
      /^pushed +docker\.io\/library\/github-greeter:latest@sha256:/m,
      /^applied .*5-githubsource\.yaml: GitHubSource repository$/m,
      /^sent +a signed push, delivery \S+: 202/m,
      /accepted by LogChannel\/default\/github as number 1/,
      /kept for default\/greets-pushers/,
      /attempt 1 to http:\/\/greeter\.default\.svc\.cluster\.local\/: delivered 200 in \d+ ms, then reply/,
      /woken from zero: asked for after \d+ ms/,
      /reply \S+ \(demo\.greeting\) went to http/,
    ];
    for (const step of steps) expect(stdout).toMatch(step);
    expect(readdirSync(folder)).toEqual([]);
    expect(readdirSync(tmpdir()).filter((name) => stdout.includes(`/${name}/kubeconfig`))).toEqual([]);
  });

  it('keeps a folder that is named, runs on it again, and refuses a stray argument', async () => {
    const folder = temporaryFolder('demo-named');
    const ended = await millrace(['demo', '--once', '--data-dir', folder, ...FREE_PORTS]);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(['events.db', 'kubeconfig', 'objects.db']));
    expect(readdirSync(folder)).not.toContain('run.json');
    const again = await millrace(['demo', '--once', '--data-dir', folder, ...FREE_PORTS]);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain('accepted by LogChannel/default/github as number 2');
    expect((await millrace(['demo', 'now'])).code).toBe(2);
  });
});

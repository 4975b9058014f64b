import { describe, expect, it } from 'vitest';
import type { Configuration, Revision, Route } from '../../../../src/apis/serving/types.ts';
import type { ResourceReader } from '../../../../src/control/resource-client.ts';
import { findTraffic } from '../../../../src/serving/control/traffic/targets.ts';
import { upstreamAnswers } from '../../../kit/upstream.ts';

type Question = {
  readonly route: Route;
  readonly configurations: readonly Configuration[];
  readonly revisions: readonly Revision[];
  readonly answer: {
    readonly targets?: Readonly<Record<string, readonly object[]>>;
    readonly status?: string;
    readonly reason?: string;
    readonly message?: string;
  };
};

/** A cluster that has just these. */
const having = ({ configurations, revisions }: Question): ResourceReader => ({
  find: async <R>(kind: { readonly kind: string }, _: string | undefined, name: string) => {
    const all: readonly (Configuration | Revision)[] = kind.kind === 'Revision' ? revisions : configurations;
    return all.find(({ metadata }) => metadata.name === name) as R | undefined;
  },
  list: () => Promise.reject(new Error('nobody lists')),
  watch: () => {
    throw new Error('nobody watches');
  },
});

/** Who gets what, by tag; or the condition, with no more of its message than upstream has. */
async function ours(asked: Question): Promise<unknown> {
  const found = await findTraffic(having(asked), asked.route);
  if (found.kind === 'missing') {
    const { status, reason = '', message = '' } = found.mark;
    const theirs = asked.answer.message ?? '';
    return { status, reason, message: message.startsWith(theirs.replace(/\.$/, '')) ? theirs : message };
  }
  const targets = [...found.traffic.byTag].map(([tag, of]) => [
    tag,
    of.map((each) => ({ ...each, tag: undefined })),
  ]);
  return { targets: Object.fromEntries(targets) as unknown };
}

describe('the traffic of a Route', () => {
  it('comes down to the revisions that upstream finds, or says why not as upstream does', async () => {
    const questions = upstreamAnswers<Question>('traffic');
    expect(questions.length).toBeGreaterThan(300);
    for (const asked of questions)
      expect(await ours(asked), JSON.stringify({ ...asked, answer: undefined })).toEqual({
        ...asked.answer,
      });
  });
});

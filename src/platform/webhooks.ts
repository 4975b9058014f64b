import type { IncomingMessage, ServerResponse } from 'node:http';
import { GITHUB_SOURCE, type GitHubSource } from '../apis/sources/github-source/schema.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Informers } from '../control/informer.ts';
import { answerText } from '../http/respond.ts';
import { createDoor } from '../sources/door/door.ts';
import type { DoorSource } from '../sources/door/door-source.ts';
import { planGitHubSource, type GitHubSourcePlan } from '../sources/github/plan.ts';
import { gitHubDoor } from '../sources/github/receiver.ts';
import type { Log } from '../telemetry/log.ts';
import type { DataPlane } from './data-plane.ts';
import { Outboxes, type Pushed } from './outboxes.ts';
import type { Stores } from './stores.ts';

const SECRET = { apiVersion: 'v1', kind: 'Secret' };

type Open = DoorSource & Pushed;

/** What answers on the gateway at a host that is no service's: webhooks, once they are open. */
export class Webhooks {
  #door: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;

  readonly onOtherHost = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.#door !== undefined && request.url?.startsWith('/webhooks/') === true)
      this.#door(request, response);
    else answerText(response, 404, 'no service answers to this host');
  };

  async open(stores: Stores, plane: DataPlane, informers: Informers, log: Log): Promise<void> {
    const sources = informers.of(GITHUB_SOURCE);
    const outboxes = new Outboxes(stores, plane);
    const secretOf = secretReader(informers);
    const known = new WeakMap<object, Open>(); // an object that has changed is another one
    const find = (namespace: string, name: string): Open | undefined => {
      const found = sources.get(`${namespace}/${name}`) as GitHubSource | undefined;
      if (found === undefined) return undefined;
      const opened = known.get(found) ?? openGitHub(found, secretOf);
      known.set(found, opened);
      return opened;
    };
    this.#door = createDoor({
      find,
      sinkFor: (source) => outboxes.sinkFor(source as Open), // as find() made it
      clock: systemClock,
      budget: plane.limits.budget,
      onError: (error) =>
        log({
          level: 'error',
          message: 'a webhook delivery failed in an unexpected way',
          fields: { error: messageOf(error) },
        }),
    });
    await outboxes.reopen((sources.all() as readonly GitHubSource[]).map(planGitHubSource));
  }
}

function openGitHub(source: GitHubSource, secretOf: (plan: GitHubSourcePlan) => string | undefined): Open {
  const plan = planGitHubSource(source);
  return { ...gitHubDoor(plan, secretOf), key: plan.key };
}

function secretReader(informers: Informers): (plan: GitHubSourcePlan) => string | undefined {
  const secrets = informers.of(SECRET);
  return ({ namespace, secret: { name, key } }) => {
    const data: unknown = Reflect.get(Object(secrets.get(`${namespace}/${name}`)), 'data');
    const value: unknown = Reflect.get(Object(data), key);
    return typeof value === 'string' ? Buffer.from(value, 'base64').toString() : undefined;
  };
}

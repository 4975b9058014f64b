import { CloudEvent } from 'cloudevents';

/** Greets whoever did something on GitHub. What it returns is an event too, and goes to the channel `greetings`. */
export function handle(context, event) {
  const who = event.sender ?? 'somebody';
  const what = event.type.replace('dev.knative.source.github.', '');
  context.log.info(`${who} did a ${what} on ${event.repository}`);
  return new CloudEvent({
    type: 'demo.greeting',
    source: '/greeter',
    data: { text: `Hello ${who}, thanks for the ${what}!` },
  });
}

/** How the events of each source are told, by the beginning of their type. */
const headlines = {
  'dev.knative.source.github.': ({ type, sender, repository }) =>
    `${sender} did a ${lastOf(type, '.')} on ${repository}`,
  'dev.knative.apiserver.resource.': ({ type, kind, name, data }) =>
    `${lastOf(type, '.')} of ${kind} ${name}${kind === 'Event' ? `: ${data.message}` : ''}`,
  'google.cloud.pubsub.': ({ source, data }) =>
    `a message in ${lastOf(source, '/')}: ${Buffer.from(data.message.data ?? '', 'base64')}`,
};

/** Logs one line for each event, its id first. What it returned, an event as well, would be its reply. */
export function handle(context, event) {
  const prefix = Object.keys(headlines).find((each) => event.type.startsWith(each));
  console.log(event.id, prefix === undefined ? `something else: ${event.type}` : headlines[prefix](event));
}

function lastOf(text, separator) {
  return text.split(separator).at(-1);
}

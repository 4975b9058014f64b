import { openObjects, ADMIN, configMap, keyOf } from '../../kit/objects.ts';

/** Writes objects until it is killed; says on standard output, line by line, what has been acknowledged. */
const [folder = '', run = ''] = process.argv.slice(2);
const store = await openObjects(folder);

async function write(lane: number): Promise<void> {
  for (let n = 0; ; n += 1) {
    const object = configMap(`run-${run}-${lane}-${n}`, { n: '0' });
    const created = await store.create(object, ADMIN);
    process.stdout.write(`created ${object.metadata.name} ${created.metadata.resourceVersion}\n`);
    if (n % 3 === 0) {
      const updated = await store.update(
        keyOf(object),
        () => configMap(object.metadata.name, { n: '1' }),
        ADMIN,
      );
      process.stdout.write(`updated ${object.metadata.name} ${updated.metadata.resourceVersion}\n`);
    }
    if (n % 5 === 0) {
      const removed = await store.remove(keyOf(object), ADMIN);
      process.stdout.write(`removed ${object.metadata.name} ${removed.metadata.resourceVersion}\n`);
    }
  }
}
await Promise.all(Array.from({ length: 8 }, (_, lane) => write(lane)));

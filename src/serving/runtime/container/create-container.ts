import { failed } from '../process/child.ts';
import { EngineContainer, type Creation } from './engine-container.ts';
import type { EngineImages } from './engine-images.ts';
import type { Engine } from './engine.ts';

const ABSENT = 404;

/**
 * Creates a container of a pinned image. One that was built here and never pushed is known to Docker by its digest alone; one
 * that somebody has removed since (`docker system prune`) is pulled again.
 */
export async function createContainer(
  engine: Engine,
  images: Pick<EngineImages, 'again'> | undefined,
  creation: Creation,
  image: string,
): Promise<EngineContainer> {
  const create = (of: string): ReturnType<typeof EngineContainer.create> =>
    EngineContainer.create(engine, { ...creation, body: { ...creation.body, Image: of } });
  let created = await create(image);
  const digest = image.split('@')[1];
  if ('fault' in created && created.status === ABSENT && digest !== undefined) created = await create(digest);
  if ('fault' in created && created.status === ABSENT) {
    const why = await images?.again(image);
    if (why !== undefined)
      throw failed(
        'ContainerCannotRun',
        `image ${image} is no longer on this machine, and cannot be pulled again: ${why}`,
      );
    created = await create(image);
  }
  if ('fault' in created) throw failed('ContainerCannotRun', created.fault);
  return created;
}

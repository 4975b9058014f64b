import { resourceClientContract } from '../contracts/resource-client.ts';
import { World } from '../kit/world.ts';

resourceClientContract('the client of the embedded API', async () => {
  const world = await World.open();
  return { client: world.admin, close: () => world.close() };
});

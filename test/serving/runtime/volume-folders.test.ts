import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VolumeFolders } from '../../../src/serving/runtime/process/isolation/volume-folders.ts';
import type { VolumeSpec } from '../../../src/serving/runtime/volume-spec.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { aContainer, revisionPlan } from '../../kit/small-platform.ts';

const disk = (bytesMax: number | undefined): VolumeSpec => ({
  kind: 'empty',
  name: 'work',
  isMemory: false,
  bytesMax,
});

describe('an emptyDir on disk', () => {
  it('is too full as soon as its files together hold more than its sizeLimit, in the words of kubelet', () => {
    const folder = join(temporaryFolder('volumes'), 'i-1');
    const { instance } = revisionPlan('f', '/', { kind: 'program', command: [] });
    const mounts = [{ volume: 'work', path: '/work', subPath: '', isReadOnly: false }];
    const spec = { ...instance, containers: [aContainer({ mounts })], volumes: [disk(100)] };
    const volumes = new VolumeFolders(folder, 'token');
    volumes.write(spec);
    const [bind] = volumes.bindsOf(aContainer({ mounts }), spec);
    const source = bind?.kind === 'bind' ? bind.source : '';
    mkdirSync(join(source, 'deep'));
    writeFileSync(join(source, 'one'), Buffer.alloc(60));
    writeFileSync(join(source, 'deep/two'), Buffer.alloc(40));
    expect(volumes.overfull(spec)).toBeUndefined();
    writeFileSync(join(source, 'deep/three'), Buffer.alloc(1));
    expect(volumes.overfull(spec)).toBe('Usage of EmptyDir volume "work" exceeds the limit "100".');
    expect(volumes.overfull({ ...spec, volumes: [disk(undefined)] })).toBeUndefined();
    volumes.remove();
  });
});

/** What can be mounted into the containers of an instance. */
export type VolumeSpec =
  /** Of Secrets, ConfigMaps and what else is made of the API's objects. */
  | { readonly kind: 'files'; readonly name: string; readonly files: readonly VolumeFile[] }
  /** As long as the instance lives, its restarts included. */
  | {
      readonly kind: 'empty';
      readonly name: string;
      readonly isMemory: boolean;
      readonly bytesMax: number | undefined;
    };

export type VolumeFile = {
  readonly path: string; // below the volume, checked to stay there
  readonly content: Buffer | 'instance id';
  readonly mode: number; // 0o644
};

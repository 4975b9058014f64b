import { spawn, type ChildProcess } from 'node:child_process';

/**
 * Reads which process groups run, `+ PGID` and `- PGID`, and ends those that are left when its input ends: that is, when
 * the platform has gone, however it went. `! COMMAND` is run then, too.
 */
const SCRIPT = `trap '' TERM INT HUP
groups=' '
atEnd=''
while read -r op group; do
  case $op in
    +) groups="$groups$group ";;
    !) atEnd="$atEnd$group; ";;
    -) case "$groups" in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }";; esac;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null
eval "$atEnd" 2>/dev/null`;

/**
 * A shell of half a megabyte that outlives a killed platform just long enough to end what that ran (X1). The kernel does
 * it for the platform's own children (`setpriv --pdeathsig`), but not for what those have forked.
 */
export class Warden {
  readonly #process: ChildProcess;

  constructor() {
    this.#process = spawn('/bin/sh', ['-c', SCRIPT], {
      cwd: '/',
      env: {},
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    // Without a shell, or when somebody ends it, the other two nets of X1 remain.
    this.#process.on('error', () => undefined);
    this.#process.stdin?.on('error', () => undefined);
    this.#process.unref();
  }

  watch(group: number): void {
    this.#write(`+ ${group}\n`);
  }

  forget(group: number): void {
    this.#write(`- ${group}\n`);
  }

  /** Runs a line of shell, of plain words, when the platform has gone; it may well find nothing to do. */
  atEnd(command: string): void {
    this.#write(`! ${command}\n`);
  }

  /** Ends it, and with it what it still watches. */
  close(): void {
    this.#process.stdin?.end();
  }

  #write(line: string): void {
    const { stdin } = this.#process;
    if (stdin?.writable === true) stdin.write(line);
  }
}

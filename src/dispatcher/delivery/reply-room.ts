/** What receives a reply, and can be told to wait; undici's DispatchController is one. */
export type Receiver = { pause(): void; resume(): void };

/**
 * Bounds the bytes of replies that are being received, over all subscriptions together (promise P6). A receiver that
 * finds no room pauses, and its attempt's deadline goes on. One of them always reads on, so that they cannot all wait for
 * each other; so what is held is at most the room, one whole reply, and one chunk of every other connection.
 */
export class ReplyRoom {
  readonly #bytesMax: number;
  #held = 0;
  #ahead: Receiver | undefined; // reads on without room
  readonly #paused = new Set<Receiver>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** `receiver` has so many more bytes of its reply. */
  took(receiver: Receiver, bytes: number): void {
    this.#held += bytes;
    if (this.#held <= this.#bytesMax || this.#mayLead(receiver)) return;
    this.#paused.add(receiver);
    receiver.pause();
  }

  /** `receiver` is done with its reply, of which it had taken so many bytes. */
  left(receiver: Receiver, bytes: number): void {
    this.#held -= bytes;
    this.#paused.delete(receiver);
    if (this.#ahead === receiver) this.#ahead = undefined;
    for (const waiting of this.#paused) {
      if (this.#held > this.#bytesMax && !this.#mayLead(waiting)) return;
      this.#paused.delete(waiting);
      waiting.resume();
    }
  }

  #mayLead(receiver: Receiver): boolean {
    this.#ahead ??= receiver;
    return this.#ahead === receiver;
  }
}

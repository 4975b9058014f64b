/**
 * What `work` comes to, or a rejection with `late()` once it has taken more than `limitMs`. Then it goes on, and what becomes
 * of it is nobody's.
 */
export async function within<T>(limitMs: number, work: Promise<T>, late: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), limitMs);
  work.catch(() => undefined); // it may still reject, later, when nobody waits any more
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

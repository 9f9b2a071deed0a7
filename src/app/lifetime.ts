/** Things that were started, to be stopped in the reverse order, also when a later one could not be started. */
export type Lifetime = (() => Promise<void> | void)[];

/**
 * Stops them, the last first, each when the one before has stopped or failed to.
 * @throws what one could not be stopped with; when it was several, an AggregateError of all
 */
export async function endLifetime(lifetime: Lifetime): Promise<void> {
  throwAny(await endAll(lifetime));
}

/** Opens what is made of several parts; when one of them fails, those that were opened before are stopped. */
export async function openWithin<T>(open: (lifetime: Lifetime) => Promise<T>): Promise<T> {
  const lifetime: Lifetime = [];
  try {
    return await open(lifetime);
  } catch (error) {
    throwAny(await endAll(lifetime), error);
    throw error;
  }
}

async function endAll(lifetime: Lifetime): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (let stop = lifetime.pop(); stop; stop = lifetime.pop()) {
    try {
      await stop();
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}

/** Throws when there are errors of stopping: those, and what came before them. */
function throwAny(errors: readonly unknown[], ...before: readonly unknown[]): void {
  if (errors.length === 0) return;
  const all = [...before, ...errors];
  if (all.length === 1) throw all[0];
  throw new AggregateError(
    all,
    all.map((error) => (error instanceof Error ? error.message : String(error))).join('; '),
  );
}

import { reasonOf, WatchedFile } from '../../util/watched/watched-file.ts';
import { askHelper, programOfHelper } from './credential-helper.ts';
import type { CredentialSource, Credentials } from './credential-source.ts';
import { type CredentialTools, credentialsUnavailable, logFailure } from './credential-tools.ts';
import { credentialsIn, helperFor, parseDockerConfig, serverNameOf } from './docker-config.ts';
import { RenewedValue } from './renewed-value.ts';

/** That a helper has nothing is asked again sooner: somebody may be logging in just now. */
const nothingLifeMs = 60_000;

type Helped = RenewedValue<Credentials | undefined>;

/**
 * Credentials from a docker `config.json`, by the host of the server that is asked: from the helper that it names, or
 * else from the file itself. The file is read again when it changes.
 */
export function dockerConfigCredentials(path: string, tools: CredentialTools): CredentialSource {
  const file = new WatchedFile({
    path,
    parse: parseDockerConfig,
    clock: tools.clock,
    failed: (reason) => logFailure(tools, path, reason),
  });
  const helped = new Map<string, Helped>();

  async function find(server: URL, signal: AbortSignal): Promise<Credentials | undefined> {
    const config = await file.read(signal);
    const name = helperFor(config, server);
    const found = name && (await helperOf(helped, name, serverNameOf(server), tools).get(signal));
    return found || credentialsIn(config, server);
  }

  return {
    async current(server, signal) {
      try {
        return await find(server, signal);
      } catch {
        signal.throwIfAborted();
        throw credentialsUnavailable(tools);
      }
    },
    refused(_server, credentials) {
      for (const value of helped.values()) value.refused(credentials);
      file.expire();
    },
  };
}

// As many as the file names helpers and the upstream has servers: a handful.
function helperOf(helped: Map<string, Helped>, name: string, server: string, tools: CredentialTools): Helped {
  const key = `${name} ${server}`;
  const known = helped.get(key);
  if (known) return known;
  const value: Helped = new RenewedValue({
    clock: tools.clock,
    stopping: tools.stopping,
    load: async (signal) => {
      try {
        const credentials = await askHelper(name, server, tools.env, signal);
        return { value: credentials, lifeMs: credentials ? undefined : nothingLifeMs };
      } catch (error) {
        if (!signal.aborted) logFailure(tools, programOfHelper(name), reasonOf(error));
        throw error;
      }
    },
  });
  helped.set(key, value);
  return value;
}

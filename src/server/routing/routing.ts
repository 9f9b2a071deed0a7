import { RegistryError } from '../../oci/errors.ts';
import { parseRepository, type Repository } from '../../oci/reference.ts';
import type { PushableRegistry, Registry } from '../../oci/registry.ts';
import type { TokenAnswer, TokenRequest } from '../../oci/wire/token.ts';

/** What keeps clients from reading what upstream does not let them read. */
export interface RegistryGuard {
  /** The registry for the repositories that everybody may read. */
  readonly open: Registry;
  /** Whether a repository is known to be such a one, and `open` serves it; asked of every request. */
  isOpen(repository: Repository): boolean;
  /** The registry as a client may read it that sent this `Authorization`, meant for upstream, or none. */
  forClient(authorization: string | undefined): Registry;
  /**
   * How upstream wants to be authenticated to, in its own words; undefined when it does not say so, or cannot be asked.
   * It rejects with the signal's reason, and with nothing else.
   */
  challenge(signal: AbortSignal): Promise<string | undefined>;
  readonly tokens: RegistryTokens;
}

/** The token server of an upstream, as clients use it through here. */
export interface RegistryTokens {
  /**
   * The same challenge, that names a place here, followed by a name, as where to get tokens; undefined when the client is
   * to go where upstream says.
   */
  renameRealm(challenge: string, place: string): string | undefined;
  /** Answers what is asked at such a place; `id` is the name. @throws RegistryError */
  answer(id: string, request: TokenRequest, signal: AbortSignal): Promise<TokenAnswer>;
}

/** A registry that requests can be routed to, and the names it goes by. */
export interface RoutedRegistry {
  /** The name in the configuration: `docker.io`, `registry.corp:5443`. */
  readonly name: string;
  /** The name in paths and virtual hosts; it has a dot, and no port. */
  readonly alias: string;
  /** More names that clients know it by, in `ns=`. */
  readonly names: readonly string[];
  /** Whether `library/` belongs before names of one component, as on Docker Hub alone. */
  readonly dockerHub: boolean;
  /** Hosts that mean it, whatever the path says. */
  readonly hosts?: readonly string[];
  /** Of a guarded one: as somebody may read it who has no credentials. */
  readonly registry: Registry;
  /** Undefined where everybody may read everything. */
  readonly guard?: RegistryGuard | undefined;
  /** The same, where it can be pushed to. */
  readonly pushable?: PushableRegistry;
}

/** What a request says about where it wants to go, besides the name in its path. */
export interface RoutingHints {
  /** The `Host` header. */
  readonly host: string | undefined;
  /** What stood before `/v2/` in the path: `/ghcr.io/v2/…`. */
  readonly prefix: string | undefined;
  /** The `ns` parameter of containerd and others. */
  readonly namespace: string | undefined;
}

/** Where a request goes. */
export interface Route {
  readonly to: RoutedRegistry;
  /** What is left of the name in the path, as it stands there; undefined when nothing is. */
  readonly name: string | undefined;
  /** The `ns` that decided, to be confirmed as `OCI-Namespace`. */
  readonly namespace: string | undefined;
}

/** Finds the registry for a request that came in by a door. */
export interface Routing {
  /** The names of all registries, for the log. */
  readonly names: readonly string[];
  /** Whether a request names a registry by something else than the name in its path. */
  isNamed(hints: RoutingHints): boolean;
  /**
   * Routes a request with this name in its path.
   * @throws RegistryError NAME_UNKNOWN when it names a registry that is not configured, or none and there is no default
   */
  route(name: string | undefined, hints: RoutingHints): Route;
}

/** Finds the registry by virtual host, alias, `ns` and the door's default, in this order. */
export class Router implements Routing {
  readonly #byAlias = new Map<string, RoutedRegistry>();
  readonly #byName = new Map<string, RoutedRegistry>();
  readonly #byHost = new Map<string, RoutedRegistry>();
  readonly #domainSuffix: string | undefined;
  readonly #fallback: RoutedRegistry | undefined;

  /**
   * @param domain virtual hosts are `<alias>.<domain>`; undefined for none
   * @param defaultName the registry of requests that name none
   */
  constructor(registries: readonly RoutedRegistry[], domain: string | undefined, defaultName: string | undefined) {
    for (const registry of registries) {
      this.#byAlias.set(registry.alias, registry);
      for (const host of registry.hosts ?? []) this.#byHost.set(host, registry);
      for (const name of [registry.name, registry.alias, ...registry.names]) this.#byName.set(name, registry);
    }
    this.#domainSuffix = domain === undefined ? undefined : `.${domain.toLowerCase()}`;
    this.#fallback = defaultName === undefined ? undefined : this.#byName.get(defaultName);
  }

  get names(): string[] {
    return [...this.#byAlias.values()].map(({ name }) => name);
  }

  isNamed({ host, prefix, namespace }: RoutingHints): boolean {
    if (prefix !== undefined || namespace !== undefined) return true;
    return this.#ownerOf(host) !== undefined || this.#aliasOfHost(host) !== undefined;
  }

  route(name: string | undefined, { host, prefix, namespace }: RoutingHints): Route {
    const virtual = this.#virtualHost(host);
    if (virtual) return { to: virtual, name, namespace: undefined };
    if (prefix !== undefined) {
      return { to: this.#byAlias.get(prefix) ?? unknown(prefix), name, namespace: undefined };
    }
    const slash = name?.indexOf('/') ?? -1;
    const first = slash < 0 ? name : name!.slice(0, slash);
    const aliased = first === undefined ? undefined : this.#byAlias.get(first);
    if (aliased) return { to: aliased, name: slash < 0 ? undefined : name!.slice(slash + 1), namespace: undefined };
    if (namespace !== undefined) return { to: this.#named(namespace), name, namespace };
    const to = this.#fallback ?? unknown(first ?? '');
    // No name on Docker Hub has a dot in front, so this one is of a registry that we do not know.
    if (to.dockerHub && slash > 0 && first!.includes('.')) unknown(first!);
    return { to, name, namespace: undefined };
  }

  #virtualHost(host: string | undefined): RoutedRegistry | undefined {
    const owner = this.#ownerOf(host);
    if (owner) return owner;
    const alias = this.#aliasOfHost(host);
    return alias === undefined ? undefined : (this.#byAlias.get(alias) ?? unknown(alias));
  }

  #ownerOf(host: string | undefined): RoutedRegistry | undefined {
    if (this.#byHost.size === 0 || host === undefined) return undefined;
    return this.#byHost.get(host.toLowerCase().replace(/:(?:80|443)$/, '')) ?? this.#byHost.get(host.toLowerCase());
  }

  #aliasOfHost(host: string | undefined): string | undefined {
    if (this.#domainSuffix === undefined || host === undefined) return undefined;
    const hostname = host.replace(/\.?(?::\d+)?$/, '').toLowerCase(); // a final dot makes a name absolute, and no other
    return hostname.endsWith(this.#domainSuffix) ? hostname.slice(0, -this.#domainSuffix.length) : undefined;
  }

  #named(namespace: string): RoutedRegistry {
    return named(this.#byName, namespace);
  }
}

/** Routes everything to one registry: what stands in a path is the name of a repository, and no alias. */
export function routeToOne(registry: RoutedRegistry): Routing {
  const byName = new Map([registry.name, ...registry.names].map((name) => [name, registry]));
  return {
    names: [registry.name],
    isNamed: () => true,
    route(name, { prefix, namespace }) {
      if (prefix !== undefined) unknown(prefix);
      return { to: namespace === undefined ? registry : named(byName, namespace), name, namespace };
    },
  };
}

function named(byName: ReadonlyMap<string, RoutedRegistry>, namespace: string): RoutedRegistry {
  if (/[^\x21-\x7e]/.test(namespace)) unknown(namespace); // some such letters have an ASCII one as their lower case
  const name = namespace.toLowerCase();
  return byName.get(name) ?? byName.get(name.replace(/:443$/, '')) ?? unknown(name);
}

/**
 * The repository that a name means on its registry.
 * @throws RegistryError NAME_INVALID
 */
export function repositoryOf({ to, name }: Route): Repository {
  const repository = parseRepository(name ?? '');
  return to.dockerHub && !repository.includes('/') ? (`library/${repository}` as Repository) : repository;
}

// Which registries there are is nobody's business who does not know them; the log says it to whoever runs this.
function unknown(name: string): never {
  throw new RegistryError('NAME_UNKNOWN', `Cannot find registry "${name.slice(0, 200)}": it is not configured here`);
}

const listens = 'where clients reach it is "doors.registry.listen", such as ":5000"';
const upstreams = 'each registry is an entry of "upstreams", by its name, with its "url"';
const remote = `${upstreams}; which of them names without a registry mean is "doors.registry.default"`;
const login = 'the login to a registry is "username" and "passwordFile" of its entry in "upstreams"';
const folder = 'all is kept in the folder "data", and how much the cache may take is "cache.maxBytes"';
const certificate = 'the certificate is "doors.registry.tls.cert", and its key "doors.registry.tls.key"';
const times =
  'for how long a tag is served unasked is "cache.tagTtl", and when what nobody pulls goes is "cache.maxAge"';
const nothing = 'there is nothing of this kind here: leave it out';

/** What an address is called elsewhere, in whatever group of keys. */
const addressNames = ['port', 'address', 'addr', 'bind', 'host'];

/** What people write who come from another registry, above all registry:2, or guess; and where that is here. */
const likelyPlaces: Readonly<Record<string, string>> = {
  ...Object.fromEntries(addressNames.map((name) => [name, listens])),
  ...{ 'http.addr': listens, 'http.tls': certificate, tls: certificate },
  ...{ mirror: upstreams, mirrors: upstreams, registries: upstreams, remotes: upstreams, upstream: upstreams },
  ...{ remoteurl: remote, 'proxy.remoteurl': remote, username: login, password: login },
  ...{ 'proxy.username': login, 'proxy.password': login, ttl: times, 'proxy.ttl': times },
  ...{ rootdirectory: folder, directory: folder, datadir: folder, cachedir: folder, 'cache.dir': folder },
};

/** Groups of keys of registry:2 that are none here: what they say stands for all that is in them. */
const likelyGroups: Readonly<Record<string, string>> = {
  ...{ http: `${listens}; ${certificate}`, storage: folder, version: nothing },
  ...{ health: nothing, middleware: nothing, notifications: nothing, redis: nothing, reporting: nothing },
  ...{ validation: nothing, compatibility: nothing, catalog: nothing },
};

/** Where that is which somebody looks for at a key that is none; undefined when nobody knows what is meant. */
export function likelyPlace(name: string): string | undefined {
  const lower = name.toLowerCase();
  return likelyPlaces[lower] ?? likelyGroups[lower.split('.')[0] ?? ''];
}

/** Whether a key, without what is above it, is what an address to listen at is called elsewhere. */
export function meansAddress(name: string): boolean {
  return addressNames.includes(name.toLowerCase());
}

/**
 * The name of the hosted registry beside those of the upstreams: in the index, as an alias in paths, and in `ns=`. It is
 * no name that a host can have in public.
 */
export const hostedRegistryName = 'hosted.entrepot';

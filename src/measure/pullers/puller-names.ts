/** The clients that can be chosen: the first three when they are on this machine. */
export const pullerNames = ['docker', 'podman', 'containerd', 'built-in'] as const;

/** One of `pullerNames`. */
export type PullerName = (typeof pullerNames)[number];

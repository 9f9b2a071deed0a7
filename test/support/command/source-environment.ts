const name = 'NODE_COMPILE_CACHE';
const folder = process.env[name];

/** All that a process which runs the sources is given of our environment: where Node.js keeps what it has made of them. */
export const sourceEnvironment: Readonly<Record<string, string>> = folder === undefined ? {} : { [name]: folder };

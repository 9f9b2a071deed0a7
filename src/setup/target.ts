/** How a client says which registry it means: see `docs/architecture.md`, "Routing". */
export const setupShapes = ['vhost', 'alias', 'ns'] as const;
export type SetupShape = (typeof setupShapes)[number];

/** The cache, as the machine that is set up reaches it, and what it serves. All text made from it is for that machine. */
export interface SetupView {
  /** The registry door: `http://10.0.0.5:5000`, with no path and no slash at its end. */
  readonly address: string;
  /** Where the hosted door is reached; undefined when there is none that this machine reaches. */
  readonly hostedAddress: string | undefined;
  /** Where the proxy door is reached; undefined when there is none that this machine reaches. */
  readonly proxyAddress: string | undefined;
  /** Below it every registry has a host of its own, `<alias>.<domain>`; undefined when there is none. */
  readonly domain: string | undefined;
  /** The shape that was asked for; undefined for the best that a client understands. */
  readonly shape: SetupShape | undefined;
  /** The registries that are to be pulled through the cache, as they are routed. */
  readonly registries: readonly SetupRegistry[];
  /** Whether these are all that are routed: then the cache may be asked for any other, too, and says which it has not. */
  readonly isWhole: boolean;
  /** The name of the registry that answers at the door when a request names none. */
  readonly defaultRegistry: string | undefined;
  /** What the registry that is pushed to is called in names of images. */
  readonly hostedNames: readonly string[];
  /** The certificates that the doors' own are checked against, as PEM; undefined when the system's do. */
  readonly ca: string | undefined;
  /** Whether the registry door asks for a login. */
  readonly asksLogin: boolean;
  /** Whether the registry door asks for a certificate of the client's. */
  readonly asksCertificate: boolean;
}

/** A registry that is pulled through the cache. */
export interface SetupRegistry {
  /** What clients call it: `docker.io`, `registry.corp:5443`. */
  readonly name: string;
  /** Its name in paths and virtual hosts: always with a dot, never with a port. */
  readonly alias: string;
  /** Where it is itself, which clients fall back to: `https://registry-1.docker.io`. */
  readonly origin: string;
}

/** A file of a client's, as it is to be. */
export interface SetupFile {
  /** Where that client looks for it: absolute; or where it is told the path, a name in the folder that one works in. */
  readonly path: string;
  /** What it does, in a sentence. */
  readonly about: string;
  /** Its permissions where they are not 0o644. */
  readonly mode?: number;
  /**
   * The whole text, given what is in the file now, or undefined when there is none. What it says about other things stays.
   * Given its own result it returns the same.
   * @throws SetupError UNREADABLE_FILE when the text is not what this client's file is, so that nothing in it is lost
   */
  render(before: string | undefined): string;
}

/** What one kind of client needs. */
export interface SetupPlan {
  readonly files: readonly SetupFile[];
  /** What has to be run afterwards, as a shell takes it: `systemctl restart docker`; each with the reason as a comment. */
  readonly steps: readonly string[];
  /** What this client cannot do, or does otherwise than one would think, in sentences. */
  readonly notes: readonly string[];
}

/** A kind of client that can be set up: one file of this folder each, pure. */
export interface SetupTarget {
  /** The word on the command line, and in `/setup/<target>`. */
  readonly name: string;
  /** One line for the help. */
  readonly description: string;
  /** The shapes that this client understands, the best first. */
  readonly shapes: readonly SetupShape[];
  /**
   * What a machine needs that pulls by this client.
   * @throws SetupError UNKNOWN_SHAPE, NO_DOMAIN, NO_DOOR when the view cannot be said in this client's words
   */
  plan(view: SetupView): SetupPlan;
}

/** What may keep a client from being set up. */
export type SetupErrorCode =
  | 'BAD_ADDRESS'
  | 'UNKNOWN_TARGET'
  | 'UNKNOWN_REGISTRY'
  | 'UNKNOWN_FILE'
  | 'UNREADABLE_FILE'
  | 'CANNOT_WRITE'
  | 'CANNOT_UNDO'
  | 'UNKNOWN_SHAPE'
  | 'NO_DOMAIN'
  | 'NO_DOOR';

/** Why a client cannot be set up; the message says what to do. */
export class SetupError extends Error {
  readonly code: SetupErrorCode;

  constructor(code: SetupErrorCode, message: string) {
    super(message);
    this.name = 'SetupError';
    this.code = code;
  }
}

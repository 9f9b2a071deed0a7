/** A command did what it was asked to, and has a reason to end with 1; the message says all. */
export class CommandFailure extends Error {}

/** The same for a command line that says too little, which the parser of the flags cannot tell: it ends with 2. */
export class UsageFailure extends CommandFailure {}

/** A command did what it was asked to, and has a reason to end with 1; the message says all. */
export class CommandFailure extends Error {}

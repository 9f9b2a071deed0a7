/** In what was written here: by it, what is ours is known again in a file that others have written, too. */
export const setupMark = 'entrepot setup';

/** The first line of a file that was written here, and of none other. */
export const madeHere = `# Made by ${setupMark}`;

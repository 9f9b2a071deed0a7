/** How the program ends: the same for every command. */
export const exitCodes = { done: 0, failed: 1, usage: 2 } as const;

/** What each of them means, and what to do. */
export const exitCodeHelp: Readonly<
  Record<keyof typeof exitCodes, { readonly cause: string; readonly remedy: string }>
> = {
  done: { cause: 'It is done, and all is well.', remedy: '' },
  failed: {
    cause: 'It failed, or found something that is not well; standard error says what.',
    remedy: 'The last line says what to do, or what was wrong.',
  },
  usage: { cause: 'The command line is wrong.', remedy: '`--help` after the command tells what it takes.' },
};

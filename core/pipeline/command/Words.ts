/**
 * Words: a command as the words of a call, without a shell.
 *
 * `$name` and `${name}` in a word stand for the value of that variable, `$$` for a dollar sign. A word stays one, whatever
 * the value holds.
 */

const named = /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/gu

/** The variables that words name. */
export const namesIn = (words: ReadonlyArray<string>): ReadonlyArray<string> =>
  words.flatMap((word) => Array.from(word.matchAll(named)).flatMap(([, , plain, braced]) => plain ?? braced ?? []))

/** The words with the values of their variables; `missing` is told of one that has none. */
export const filled = (
  words: ReadonlyArray<string>,
  variables: Readonly<Record<string, string | undefined>>,
  missing: (name: string) => never
): ReadonlyArray<string> =>
  words.map((word) =>
    word.replaceAll(named, (_, dollar?: string, plain?: string, braced?: string) => {
      if (dollar !== undefined) return "$"
      const name = plain ?? braced!
      return variables[name] ?? missing(name)
    })
  )

/** Presenter: what the command line's library has to say, in our words and in the columns that there are. */
import { stripVTControlCharacters } from "node:util"
import * as CliOutput from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import { printLine, wantsColour } from "./Console.ts"
import { UsageError } from "./Failure.ts"
import { folded } from "./reporter/Fold.ts"

/** What the library says of a value that does not fit, in the order of all other errors: expected, found. */
const inOurWords = (message: string): string =>
  message
    .replace(
      /^Invalid value for flag (\S+): ("[\s\S]*?")\. Expected:? (?:Schema validation failed: Expected )?/u,
      (_, flag: string, found: string) => `${flag} ${found.slice(1, -1)}: expected `
    )
    .replace("a string representing a finite number", "a number")
    .replace("a string representing an integer", "a whole number")

/** No wider than is read with ease. */
const helpColumns = (): number | undefined =>
  process.stdout.columns === undefined ? undefined : Math.min(process.stdout.columns, 100)

/** The library asks NO_COLOR and whether it is a terminal, but not of what kind. */
const plain = (text: string): string => (wantsColour(process.stdout) ? text : stripVTControlCharacters(text))

/** Wrong usage as an error of ours: how all errors are told, also with `--json`. */
export const usage = (errors: ReadonlyArray<{ readonly message: string }>): UsageError => {
  const help = "`op-pipe --help` lists the commands, `op-pipe COMMAND --help` the flags of one."
  return new UsageError({ message: [...errors.map(({ message }) => inOurWords(message)), help].join("\n") })
}

/** Help goes to standard output. */
export const layer = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag === "InvalidInvocation") return Effect.void
    if (event._tag !== "Help") return CliOutput.defaultPresenter.present(event)
    return Effect.flatMap(CliOutput.Formatter, ({ formatHelpDoc }) =>
      printLine(folded(plain(formatHelpDoc(event.helpDoc)), helpColumns()))
    )
  }
})

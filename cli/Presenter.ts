/** Presenter: what the command line's library has to say, in our words and in the columns that there are. */
import { stripVTControlCharacters } from "node:util"
import * as CliOutput from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import { printError, printLine, wantsColour } from "./Console.ts"
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

/** Wrong usage goes to standard error, in a line or two; help goes to standard output. */
export const layer = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.gen(function* () {
          for (const error of event.errors) yield* printError(`op-pipe: ${inOurWords(error.message)}`)
          yield* printError("`op-pipe --help` lists the commands, `op-pipe COMMAND --help` the flags of one.")
        })
      : event._tag === "Help"
        ? Effect.flatMap(CliOutput.Formatter, ({ formatHelpDoc }) =>
            printLine(folded(plain(formatHelpDoc(event.helpDoc)), helpColumns()))
          )
        : CliOutput.defaultPresenter.present(event)
})

/** Shell: the program that runs a command's text. */
import { existsSync } from "node:fs"

/**
 * `bash` stops at the first error, also of a pipe's first part, and at an unset variable; `sh` the same but for pipes. Any
 * other program is named with its arguments; it gets a file with the command behind them.
 */
export type Shell = "bash" | "sh" | ReadonlyArray<string>

const bashFiles = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/opt/homebrew/bin/bash"]
let hasBash: boolean | undefined

/** The program and its arguments; without a choice bash, where the machine has it. It counts in the key, as it is here. */
export const argumentsOf = (shell: Shell | undefined): ReadonlyArray<string> => {
  if (shell !== undefined && typeof shell !== "string") return shell
  hasBash ??= bashFiles.some((file) => existsSync(file))
  return shell === "sh" || (shell === undefined && !hasBash) ? ["sh", "-eu"] : ["bash", "-euo", "pipefail"]
}

/** MachineFault: errors of the system that are nobody's mistake, in words. */

const advice: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full: free some space and run again; finished steps are kept",
  EDQUOT: "The disk quota is used up: free some space and run again; finished steps are kept",
  EROFS: "The file system is read-only: choose another folder with --store",
  EMFILE: "Too many files are open: raise the limit with `ulimit -n`",
  ENFILE: "Too many files are open on this machine",
  EIO: "The disk cannot be read or written",
  ENAMETOOLONG: "The name is too long for this file system",
  E2BIG:
    "The arguments and variables are more than the system takes: give it a folder, or a file with names, as an input",
  EAGAIN: "The system has no room for another process: end some, or raise `ulimit -u`",
  ENOMEM: "The machine has no memory left",
  EACCES: "Check the permissions"
}

/** The error of the machine that `error` comes from, in words; undefined when it comes from elsewhere. */
export const describe = (error: unknown): string | undefined => {
  for (let cause = error; typeof cause === "object" && cause !== null; cause = (cause as { cause?: unknown }).cause) {
    const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown }
    const known = typeof code === "string" ? advice[code] : undefined
    if (known !== undefined) return `${String(message)}. ${known}`
  }
  return undefined
}

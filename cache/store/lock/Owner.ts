/** Owner: the process that holds a lock, in words, also if it does not answer. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs"

const contentOf = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    // it has ended, or is another user's
    return ""
  }
}

/** The socket that listens at an abstract address, as `/proc` names it. */
const socketAt = (address: string): string | undefined => {
  const line = contentOf("/proc/net/unix")
    .split("\n")
    .find((each) => each.endsWith(` @${address.slice(1)}`) && each.split(/\s+/u)[3] === "00010000")
  return line === undefined ? undefined : `socket:[${line.split(/\s+/u)[6]}]`
}

const holds = (pid: string, socket: string): boolean => {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((each) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${each}`) === socket
      } catch {
        return false
      }
    })
  } catch {
    return false
  }
}

const isMine = (pid: string): boolean => {
  try {
    return statSync(`/proc/${pid}`).uid === process.getuid?.()
  } catch {
    return false
  }
}

/** The process of this user's, in this container, that listens at an abstract address, if one does. */
export const find = (address: string): string | undefined => {
  const socket = socketAt(address)
  if (socket === undefined) return undefined
  try {
    return readdirSync("/proc").find((each) => /^\d+$/u.test(each) && isMine(each) && holds(each, socket))
  } catch {
    return undefined
  }
}

const isStopped = (pid: string): boolean => /^State:\s+[Tt]/mu.test(contentOf(`/proc/${pid}/status`))

/** The owner in words; what to do about one that is stopped. */
export const describe = (pid: string): string =>
  isStopped(pid)
    ? `process ${pid}, which is stopped: let it go on (kill -CONT ${pid}) or end it (kill ${pid})`
    : `process ${pid}`

/**
 * turn: one process at a time makes a bundle. Of many that begin at once, as jobs on one machine do, each would take half a second of
 * a core and 200 MB for the same file.
 *
 * As cache/store/Lock.ts: a name in Linux's abstract socket namespace, which the kernel frees when its owner ends. Who has waited for one
 * other goes on, whether that one made the bundle or not: nobody waits for a row of others, or for long.
 */
import { hash } from "node:crypto"
import net from "node:net"

const longestMs = 10_000

/** Takes the name: what gives it back, or undefined if another has it. */
const take = (address) =>
  new Promise((resolve) => {
    const waiting = new Set()
    const server = net.createServer((socket) => {
      socket.on("error", () => {})
      waiting.add(socket)
    })
    server.once("error", () => resolve(undefined))
    server.listen(address, () =>
      resolve(() => {
        server.close()
        for (const socket of waiting) socket.destroy()
      })
    )
  })

/** Waits until the owner gives the name back, or ends. */
const given = (address) =>
  new Promise((resolve) => {
    const socket = net.connect(address)
    const timer = setTimeout(() => socket.destroy(), longestMs)
    socket.on("error", () => {})
    socket.once("close", () => {
      clearTimeout(timer)
      resolve()
    })
  })

/** Waits for the process that makes what is in `folder`, if there is one; gives what is to be called at the end of the own turn. */
export const turn = async (folder) => {
  if (process.platform !== "linux") return () => {}
  const address = `\0op-pipe-${hash("sha256", `bundle ${folder}`, "hex").slice(0, 40)}`
  const giveBack = await take(address)
  if (giveBack !== undefined) return giveBack
  await given(address)
  return () => {}
}

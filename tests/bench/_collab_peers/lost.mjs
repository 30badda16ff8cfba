// How much of what was acknowledged a server does not have: `lost.mjs '{"protocol", "url", "headers"}'`, with what
// `writers.mjs` calls "safe" on stdin. Prints the number of characters.
import { readFileSync } from 'node:fs'
import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import { AUTH, NOTHING_KNOWN, SYNC, Wire } from './wire.mjs'

const { protocol, url, headers } = JSON.parse(process.argv[2])
const wire = new Wire(protocol)

const stored = room => new Promise((resolve, reject) => {
  const doc = new Y.Doc()
  const socket = wire.socket(url, { room, headers })
  socket.on('open', () => socket.send(wire.hello(room)))
  let answered = false
  socket.on('message', data => {
    const [kind, decoder] = wire.read(data)
    if (kind === AUTH) socket.send(wire.sync(room, 0, NOTHING_KNOWN))
    if (kind !== SYNC) return
    const step = decoding.readVarUint(decoder)
    if (step === 0) return
    Y.applyUpdate(doc, decoding.readVarUint8Array(decoder))
    // What follows the answer to step 1 belongs to it: a large document may come in pieces.
    if (step === 1 && !answered) setTimeout(() => { socket.close(); resolve(doc) }, 500)
    answered ||= step === 1
  })
  socket.on('error', reject)
})

let lost = 0
for (const [room, clients] of Object.entries(JSON.parse(readFileSync(0, 'utf8')))) {
  const clocks = Y.decodeStateVector(Y.encodeStateVector(await stored(room)))
  for (const [client, clock] of Object.entries(clients)) lost += Math.max(0, clock - (clocks.get(Number(client)) ?? 0))
}
console.log(lost)
process.exit(0)

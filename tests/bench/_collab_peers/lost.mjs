// How much of what was acknowledged a server does not have: `lost.mjs '{"protocol", "url", "headers"}'`, with what
// `writers.mjs` calls "safe" on stdin. Prints the number of characters.
import { readFileSync } from 'node:fs'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { WebSocket } from 'ws'
import * as Y from 'yjs'

const { protocol, url, headers } = JSON.parse(process.argv[2])
const HOCUSPOCUS = protocol === 'hocuspocus'

const stored = room => new Promise((resolve, reject) => {
  const doc = new Y.Doc()
  const socket = new WebSocket(HOCUSPOCUS ? url : `${url}/${room}`, { perMessageDeflate: false, headers })
  socket.binaryType = 'nodebuffer'
  const say = (type, write) => {
    const encoder = encoding.createEncoder()
    if (HOCUSPOCUS) encoding.writeVarString(encoder, room)
    encoding.writeVarUint(encoder, type)
    write(encoder)
    socket.send(encoding.toUint8Array(encoder))
  }
  const ask = () => say(0, encoder => {
    encoding.writeVarUint(encoder, 0)
    encoding.writeVarUint8Array(encoder, Y.encodeStateVector(doc))
  })
  socket.on('open', () => HOCUSPOCUS
    ? say(2, encoder => {
      encoding.writeVarUint(encoder, 0)
      encoding.writeVarString(encoder, 'token')
      encoding.writeVarString(encoder, '4.7.0')
    })
    : ask())
  let answered = false
  socket.on('message', data => {
    const decoder = decoding.createDecoder(data)
    if (HOCUSPOCUS) decoding.readVarString(decoder)
    const kind = decoding.readVarUint(decoder)
    if (kind === 2) ask()
    if (kind !== 0 && kind !== 4) return
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

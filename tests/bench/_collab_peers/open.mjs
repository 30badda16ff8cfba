// Opens documents, each by one stock document of Yjs: `open.mjs '{"urls", "headers", "chars", "vector", "held"}'`. Prints,
// for each, how many milliseconds went by from the socket's opening until all was there: step 2, and a text of so many
// characters. With `vector`, [[client, clock]], it asks for what follows that, and step 2 alone counts. With `held` it
// then keeps them open until stdin ends.
import { performance } from 'node:perf_hooks'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { WebSocket } from 'ws'
import * as Y from 'yjs'

const { urls, headers, chars, vector, held } = JSON.parse(process.argv[2])

/** A message of y-protocols' sync: step 0 asks with a state vector, 1 answers. */
const frame = (step, body) => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, 0)
  encoding.writeVarUint(encoder, step)
  encoding.writeVarUint8Array(encoder, body)
  return encoding.toUint8Array(encoder)
}

const open = url => new Promise((resolve, reject) => {
  const doc = new Y.Doc()
  const socket = new WebSocket(url, { perMessageDeflate: false, headers })
  socket.binaryType = 'nodebuffer'
  let opened
  let answered = false
  socket.on('open', () => {
    opened = performance.now()
    socket.send(frame(0, Y.encodeStateVector(vector ? new Map(vector) : doc)))
  })
  socket.on('message', data => {
    const decoder = decoding.createDecoder(data)
    if (decoding.readVarUint(decoder) !== 0) return
    const step = decoding.readVarUint(decoder)
    const body = decoding.readVarUint8Array(decoder)
    if (step === 0) return socket.send(frame(1, new Uint8Array([0, 0])))
    const ms = performance.now() - opened
    answered ||= step === 1
    Y.applyUpdate(doc, body)
    if (!answered || (!vector && doc.getText('text').length !== chars)) return
    resolve(ms)
    if (!held) socket.close()
  })
  socket.on('error', reject)
  socket.on('close', code => reject(new Error(`closed: ${code}`)))
})

for (const url of urls) console.log(await open(url))
if (!held) process.exit(0)
process.stdin.on('end', () => process.exit(0)).resume()

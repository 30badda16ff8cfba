// The floor: a y-websocket server on Bun that only publishes what it receives, natively. No journal, no rights, no
// limits; it keeps the updates so that a late client gets them: `bun bun_publish.mjs PORT`.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'

const [port] = process.argv.slice(2)
const updates = new Map() // room → updates

const frame = (step, body) => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, 0)
  encoding.writeVarUint(encoder, step)
  encoding.writeVarUint8Array(encoder, body)
  return encoding.toUint8Array(encoder)
}

globalThis.Bun.serve({
  hostname: '127.0.0.1',
  port: Number(port),
  fetch (request, server) {
    const room = new URL(request.url).pathname
    if (!server.upgrade(request, { data: { room } })) return new Response('no', { status: 400 })
  },
  websocket: {
    open (socket) {
      const { room } = socket.data
      if (!updates.has(room)) updates.set(room, [])
      socket.subscribe(room)
      socket.send(frame(0, new Uint8Array([0])))
    },
    message (socket, message) {
      const { room } = socket.data
      const decoder = decoding.createDecoder(message)
      if (decoding.readVarUint(decoder) !== 0) return socket.publish(room, message)
      const step = decoding.readVarUint(decoder)
      const body = decoding.readVarUint8Array(decoder)
      if (step === 0) return socket.send(frame(1, Y.diffUpdate(Y.mergeUpdates([...updates.get(room), new Uint8Array([0, 0])]), body)))
      updates.get(room).push(body.slice())
      socket.publish(room, step === 2 ? message : frame(2, body))
    }
  }
})

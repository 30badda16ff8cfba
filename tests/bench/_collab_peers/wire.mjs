// How the scripts here speak to a server: y-websocket's protocol, or Hocuspocus's, where the document's name stands before.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { WebSocket } from 'ws'

export const SYNC = 0; export const AWARENESS = 1; export const AUTH = 2; export const SAVED = 8
const SYNC_REPLY = 4 // Hocuspocus's
export const NOTHING_KNOWN = new Uint8Array([0]); export const NOTHING_NEW = new Uint8Array([0, 0])

export class Wire {
  constructor (protocol) { this.isHocuspocus = protocol === 'hocuspocus' }

  /** To `url`, where a document's address is that of the server with its name behind it. */
  socket (url, { room = '', query = '', headers = {} }) {
    const socket = new WebSocket(room && !this.isHocuspocus ? `${url}/${room}${query}` : url, { perMessageDeflate: false, skipUTF8Validation: true, headers })
    socket.binaryType = 'nodebuffer'
    return socket
  }

  frame (room, type, write) {
    const encoder = encoding.createEncoder()
    if (this.isHocuspocus) encoding.writeVarString(encoder, room)
    encoding.writeVarUint(encoder, type)
    write(encoder)
    return encoding.toUint8Array(encoder)
  }

  /** Step 0 asks with a state vector, 1 answers, 2 is an update. Source: y-protocols, sync. */
  sync (room, step, body) {
    return this.frame(room, SYNC, encoder => {
      encoding.writeVarUint(encoder, step)
      encoding.writeVarUint8Array(encoder, body)
    })
  }

  /** What is sent first; Hocuspocus is asked once it has said AUTH. */
  hello (room, stateVector = NOTHING_KNOWN) {
    if (!this.isHocuspocus) return this.sync(room, 0, stateVector)
    return this.frame(room, AUTH, encoder => {
      encoding.writeVarUint(encoder, 0)
      encoding.writeVarString(encoder, 'token')
      encoding.writeVarString(encoder, '4.7.0')
    })
  }

  /** The type of a message, and what follows it. */
  read (data) {
    const decoder = decoding.createDecoder(data)
    if (this.isHocuspocus) decoding.readVarString(decoder)
    const type = decoding.readVarUint(decoder)
    return [type === SYNC_REPLY ? SYNC : type, decoder]
  }
}

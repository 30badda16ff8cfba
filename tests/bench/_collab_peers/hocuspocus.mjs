// Hocuspocus as its documentation starts it: `hocuspocus.mjs PORT [SQLITE-FILE [debounced]]`, on Node or on Bun.
// With a file it is durable as far as it can be: its database hook without a debounce, each store on disk; `debounced`:
// with the debounce that it has by itself.
import { Hocuspocus, Server } from '@hocuspocus/server'

const [port, file, debounced] = process.argv.slice(2)

const stored = async file => {
  const { Database } = await import('@hocuspocus/extension-database')
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  database.exec('CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, data BLOB NOT NULL)')
  const read = database.prepare('SELECT data FROM documents WHERE name = ?')
  const write = database.prepare('INSERT OR REPLACE INTO documents VALUES (?, ?)')
  return new Database({
    fetch: async ({ documentName }) => read.get(documentName)?.data ?? null,
    store: async ({ documentName, state }) => { write.run(documentName, state) }
  })
}

const configuration = { quiet: true }
if (file) configuration.extensions = [await stored(file)]
if (file && !debounced) Object.assign(configuration, { debounce: 0, maxDebounce: 0 })

if (process.versions.bun) {
  const hocuspocus = new Hocuspocus(configuration)
  globalThis.Bun.serve({
    hostname: '127.0.0.1',
    port: Number(port),
    fetch (request, server) {
      if (!server.upgrade(request, { data: { request } })) return new Response('no', { status: 400 })
    },
    websocket: {
      open (socket) {
        const like = {
          send: data => socket.send(data),
          close: (code, reason) => socket.close(code, reason),
          get readyState () { return socket.readyState }
        }
        socket.data.client = hocuspocus.handleConnection(like, socket.data.request)
      },
      message: (socket, message) => { socket.data.client.handleMessage(new Uint8Array(message)) },
      close: (socket, code, reason) => { socket.data.client.handleClose({ code, reason }) }
    }
  })
} else {
  await new Server({ ...configuration, address: '127.0.0.1', port: Number(port) }).listen()
}

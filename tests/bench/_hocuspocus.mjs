// Hocuspocus as its documentation starts it, in memory.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [packages, port] = process.argv.slice(2)
const require = createRequire(pathToFileURL(packages + '/package.json'))
const { Server } = await import(pathToFileURL(require.resolve('@hocuspocus/server')))
const server = new Server({ address: '127.0.0.1', port: Number(port), quiet: true })
await server.listen()

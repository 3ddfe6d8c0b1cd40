// For health checks of containers: exit code 0 when the URL answers 2xx within 4 s.
//
//   node healthy.mjs http://127.0.0.1:7451/ready
import { get } from 'node:http';

const [, , url = ''] = process.argv;
const request = get(url, { timeout: 4000 }, (response) => {
  let text = '';
  response.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  response.on('end', () => {
    const isWell = response.statusCode !== undefined && response.statusCode >= 200 && response.statusCode < 300;
    process.exitCode = isWell ? 0 : 1;
    console.log(text.trim());
  });
});
request.on('timeout', () => request.destroy(new Error(`no answer from ${url} within 4 s`)));
request.on('error', (error) => {
  console.log(error.message);
  process.exitCode = 1;
});

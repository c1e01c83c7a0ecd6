// The API, and what to make of an answer that is none.

export class Refused extends Error {
  constructor(status, line) {
    super(line);
    this.status = status;
  }
}

const patience = 8000;

// ask returns the answer, or throws: Refused with the agent's own words, or what the
// browser says where there is no agent.
export async function ask(name, parameters = {}, signal = undefined) {
  const p = new URLSearchParams();
  for (const [k, v] of Object.entries(parameters)) if (v !== '' && v != null) p.set(k, v);
  const query = p.toString();
  const late = AbortSignal.timeout(patience);
  const answer = await fetch('/api/v1/' + name + (query ? '?' + query : ''), {
    credentials: 'same-origin',
    signal: signal ? AbortSignal.any([signal, late]) : late,
  });
  if (!answer.ok) throw new Refused(answer.status, (await answer.text()).split('\n')[0].slice(0, 300));
  return answer.json();
}

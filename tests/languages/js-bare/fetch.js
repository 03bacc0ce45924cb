// Answers requests as a service worker does, for StarlingMonkey alone: nothing in it is Wharf's.

addEventListener("fetch", (event) => event.respondWith(answered(event.request)));

async function answered(request) {
  const { pathname, searchParams } = new URL(request.url);
  const said = request.method === "POST" ? await request.text() : "";
  const body = `JavaScript was asked ${pathname} with ${searchParams.get("c")}, and told ${said.length} letters`;
  return new Response(body, { status: said === "" ? 200 : 201, headers: { "content-type": "text/plain" } });
}

-- Picks a page at random and pauses between requests, so that wrk's rate stays
-- bounded: about 50 requests a second and connection.
local targets = {
  "/", "/index.html", "/assets/app.js", "/assets/site.css", "/assets/logo.png",
  "/api/search?q=shoes", "/api/search?q=hats",
}

function request()
  if math.random(10) == 1 then
    return wrk.format("POST", "/api/cart/" .. math.random(1000), nil, '{"item":42,"count":1}')
  end
  return wrk.format("GET", targets[math.random(#targets)])
end

function delay()
  return 15 + math.random(10)
end

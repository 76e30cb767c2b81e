-- As for HTTPRoute: every parent of ours must take the route, resolve it and have it live; Ready is the summary of the operator.
local hs = { status = "Progressing", message = "waiting for the operator" }
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local function current(condition)
  return condition.observedGeneration == nil or condition.observedGeneration == obj.metadata.generation
end

local function text(condition)
  return condition.type .. ": " .. (condition.message or condition.reason or "")
end

local waiting = nil
for _, parent in ipairs(obj.status.parents or {}) do
  if parent.controllerName == "ringway.dev/gateway-controller" then
    for _, condition in ipairs(parent.conditions or {}) do
      if not current(condition) then
        waiting = waiting or condition.type .. ": of an older generation"
      elseif condition.status == "False" and (condition.type == "Accepted" or condition.type == "ResolvedRefs") then
        return { status = "Degraded", message = text(condition) }
      elseif condition.status ~= "True" and condition.type == "Programmed" then
        waiting = waiting or text(condition)
      end
    end
  end
end
for _, condition in ipairs(obj.status.conditions or {}) do
  if current(condition) and condition.type == "Stalled" and condition.status == "True" then
    return { status = "Degraded", message = text(condition) }
  end
  if current(condition) and condition.type == "Ready" then
    hs.status = condition.status == "True" and "Healthy" or "Progressing"
    hs.message = condition.message or condition.reason
  end
end
if waiting ~= nil then
  hs = { status = "Progressing", message = waiting }
end
return hs

-- Ready says it all; Stalled that it stays so until somebody changes something. Reachable does not count: a server's outage is no failed deployment.
local hs = { status = "Progressing", message = "waiting for the operator" }
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local function text(condition)
  return condition.type .. ": " .. (condition.message or condition.reason or "")
end

for _, condition in ipairs(obj.status.conditions or {}) do
  if condition.observedGeneration == nil or condition.observedGeneration == obj.metadata.generation then
    if condition.status == "False" and (condition.type == "Accepted" or condition.type == "ResolvedRefs") then
      return { status = "Degraded", message = text(condition) }
    elseif condition.status == "True" and condition.type == "Stalled" then
      return { status = "Degraded", message = text(condition) }
    elseif condition.type == "Ready" then
      hs.status = condition.status == "True" and "Healthy" or "Progressing"
      hs.message = condition.message or condition.reason
    end
  end
end
return hs

//! Whole worlds through `parse_documents` and `translate`.

#[cfg(test)]
mod authorities;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod cluster_order;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod json;
#[cfg(test)]
mod order;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod worlds;

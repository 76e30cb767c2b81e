//! Whole worlds through `parse_documents` and `translate`.

#[cfg(test)]
mod cluster;
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
mod worlds;

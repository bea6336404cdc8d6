"""What happens around the loss: optimizer, schedule, weights, epochs, records."""

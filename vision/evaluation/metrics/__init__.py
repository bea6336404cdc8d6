"""What there is to say of detections: COCO's numbers, curves, confusions, causes of errors."""
